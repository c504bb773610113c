"""Sources: a file for each data set and for each kind of data of your own."""
