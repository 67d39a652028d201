"""What all rooms lean on: optional libraries, warnings, files, parameters."""
