#!/usr/bin/env bash
# Makes var/ray: an environment with Ray on top of .venv, so that the product itself stays without it.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -f var/ray/installed ] && cmp -s requirements-ray.txt var/ray/installed; then exit; fi
echo "Installing Ray into var/ray"
mkdir -p var
.venv/bin/python -m venv --clear --without-pip var/ray
site() { "$1" -c 'import site; print(site.getsitepackages()[0])'; }
# What the product has is seen through this file and not installed twice.
site .venv/bin/python >"$(site var/ray/bin/python)/product.pth"
.venv/bin/python -m pip --python var/ray/bin/python install --quiet --disable-pip-version-check -r requirements-ray.txt
cp requirements-ray.txt var/ray/installed
