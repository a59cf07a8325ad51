-- MLflow and the studies keep their tables apart: both own one of the same name.
CREATE DATABASE mlflow;
