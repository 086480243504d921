"""The gates that come with lockgate, one file each."""
