"""`python -m keras_openpose`: the command line."""

import sys

from keras_openpose.cli import main

if __name__ == "__main__":
    sys.exit(main())
