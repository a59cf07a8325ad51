"""The public Python API. `automl_tf` offers its names, and imports each when it is first used.

It stands above the command line, whose functions and displays it shares.
"""
