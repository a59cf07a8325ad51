"""The entry point of the command ``automl-tf``, which ``python -m automl_tf`` runs as well."""

from automl_tf.interpreter import prepare


def main() -> None:
    """Prepares the interpreter, runs the command line and exits."""
    prepare()
    # Nothing is imported before the preparation.
    from automl_tf.cli.main import main as run  # noqa: PLC0415
    from automl_tf.signals import exit_on_signals  # noqa: PLC0415

    try:
        run()
    finally:
        exit_on_signals()


if __name__ == "__main__":
    main()
