#!/usr/bin/env bash
#SBATCH --job-name=automl-tf
#SBATCH --array=1-8
#SBATCH --cpus-per-task=1
#SBATCH --mem=4G
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
# A worker saves its trial and leaves when its time is nearly over.
#SBATCH --signal=TERM@120
#
# Workers of one study as an array job; each takes trials until the study's budget is spent:
#   export AUTOML_TF_STORAGE=postgresql://ann@db.example.org/studies
#   export AUTOML_TF_TRACKING=http://mlflow.example.org:5000
#   sbatch docker/slurm.sh studies/multi30k-en-de.yaml
# The password stands in ~/.pgpass. With GPUs: sbatch --gpus-per-task=1 docker/slurm.sh ...
set -euo pipefail

: "${1:?name the study file}"
: "${AUTOML_TF_STORAGE:?name the study database, without a password}"
: "${AUTOML_TF_TRACKING:?name the MLflow server}"
# On a file system that all nodes share, so that a trial goes on from its checkpoint elsewhere.
export AUTOML_TF_HOME="${AUTOML_TF_HOME:-$PWD/runs}"
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"

exec srun --ntasks=1 automl-tf worker "$@"
