"""The entry point of the command ``automl-tf``, which ``python -m automl_tf`` runs as well."""

from automl_tf.interpreter import prepare


def main() -> None:
    """Prepares the interpreter, runs the command line and exits."""
    prepare()
    from automl_tf.cli.main import main as run  # noqa: PLC0415 - nothing before the preparation

    run()


if __name__ == "__main__":
    main()
