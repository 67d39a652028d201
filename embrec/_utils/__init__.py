"""What all rooms lean on: the gate for optional libraries, warnings, files, private names of scikit-learn."""
