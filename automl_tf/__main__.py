"""Lets ``python -m automl_tf`` be the command ``automl-tf``."""

from automl_tf.cli.main import main

if __name__ == "__main__":
    main()
