"""The command line, signed in to the console of one running system; a package, so that its tests share that system."""
