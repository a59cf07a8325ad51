#!/usr/bin/env bash
# Resolves the dependencies of the images anew and writes them down with their hashes:
#   requirements.cuda.txt   all of them; torch as the package index has it, with CUDA
#   requirements.cpu.txt    the same without torch and what only its CUDA build needs
#   torch.txt               the version of torch, which the CPU image takes from PyTorch's CPU builds
# Needs uv. Run it after the dependencies in pyproject.toml have changed.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
    local output=$1
    shift
    uv pip compile pyproject.toml --quiet --extra postgresql --extra fast \
        --python-version 3.12 --python-platform x86_64-manylinux_2_28 --generate-hashes \
        --no-annotate --custom-compile-command docker/lock.sh --output-file "$output" "$@" >/dev/null
}

compile docker/requirements.cuda.txt "$@"

without=()
while read -r package; do
    without+=(--no-emit-package "$package")
done < <(grep -oE '^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)' docker/requirements.cuda.txt)
compile docker/requirements.cpu.txt "${without[@]}" "$@"

grep -oE '^torch==[0-9.]+' docker/requirements.cuda.txt >docker/torch.txt
