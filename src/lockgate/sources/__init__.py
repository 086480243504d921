"""File formats that data arrives in, one file each."""
