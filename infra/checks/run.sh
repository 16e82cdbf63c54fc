#!/usr/bin/env bash
# `make check-infra`: static checks of the image, compose, Kubernetes, Prometheus and Alertmanager.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=$PWD/.venv-checks
export PATH=$tools/bin:$PATH
rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT

echo "Dockerfile: hadolint"
hadolint infra/Dockerfile

echo "compose: every secret is required, and the file is valid"
names=$(sed -n 's/^\([A-Z_]*\)=$/\1/p' infra/compose.env.example)
all_but() { for name in $names; do [ "$name" = "$1" ] || echo "$name=given"; done; }
for missing in $names; do
    all_but "$missing" > "$rendered/env"
    if docker-compose --env-file "$rendered/env" -f infra/compose.yaml config -q 2> /dev/null; then
        echo "infra/compose.yaml does not require $missing"
        exit 1
    fi
done
all_but nothing > "$rendered/env"
docker-compose --env-file "$rendered/env" -f infra/compose.yaml config -q
if command -v npm > /dev/null; then
    npm ci --prefix infra/checks --silent --no-fund --no-audit
    infra/checks/node_modules/.bin/dclint --config infra/checks/dclint.yaml --max-warnings 0 \
        infra/compose.yaml
elif [ -n "${CI:-}" ]; then
    echo "npm is missing"
    exit 1
else
    echo "npm is missing: skipping dclint"
fi

echo "Prometheus, Alertmanager and their compose file"
promtool check rules infra/observability/rules/*.yml
promtool check config --syntax-only infra/observability/prometheus.yml
amtool check-config infra/observability/alertmanager.yml
docker-compose --env-file "$rendered/env" -f infra/compose.yaml -f infra/observability/compose.yaml \
    config -q

echo "Kubernetes: kustomize, the Job of a run, kubernetes-validate, checkov"
for overlay in infra/kubernetes/overlays/*/; do
    kubectl kustomize "$overlay" > "$rendered/$(basename "$overlay").yaml"
done
PYTHONPATH=$PWD:$tools/workers PREFECT_API_URL=http://prefect:4200/api \
    .venv/bin/python infra/checks/job.py > "$rendered/job.yaml"
kubernetes-validate --strict --quiet "$rendered"/*.yaml
cp infra/Dockerfile "$rendered"
checkov --config-file infra/checks/checkov.yaml --directory "$rendered"
