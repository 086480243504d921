"""What changes for whom: both models' answers about the same requests, compared with each other."""
