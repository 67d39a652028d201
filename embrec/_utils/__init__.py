"""What all rooms lean on: optional libraries, warnings, files, forks, names of scikit-learn."""
