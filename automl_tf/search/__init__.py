"""The search: which configuration is tried next, and which is stopped. The only home of Optuna."""
