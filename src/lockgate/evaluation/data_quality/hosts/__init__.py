"""What runs under the interpreter that has the library: it imports nothing of ours, and its parts find each other as files."""
