#!/usr/bin/env bash
# Renew the lock files: names, versions and hashes, no addresses, so that they work behind any mirror.
# Versions already locked are kept where they still fit; `make lock LOCK_ARGS=--upgrade` takes the newest.
set -euo pipefail
cd "$(dirname "$0")/.."

compile() {
    .cache/uv-venv/bin/uv --quiet pip compile --universal --generate-hashes --python-version 3.11 \
        --no-header --no-emit-index-url --no-emit-find-links "$@"
}

compile --all-extras "$@" pyproject.toml --output-file requirements/all.lock
# What a service needs, at the versions that everything together was tested with: so no "$@" below.
for service in inference feature_logging drift_detection retrain_trigger governance; do
    compile --no-annotate --extra "${service//_/-}" --constraint requirements/all.lock \
        pyproject.toml --output-file "requirements/$service.lock"
done
# What a service's unit tests need beside it.
printf '%s\n' httpx pytest pytest-asyncio |
    compile --no-annotate --constraint requirements/all.lock - --output-file requirements/test.lock
# The clients that the conformance tests run, in an environment of their own: they pin an old protobuf.
printf '%s\n' kserve 'tritonclient[grpc,http]' |
    compile --no-annotate "$@" - --output-file requirements/conformance.lock
# Other detectors of drift, which the benchmark of ours runs beside it, in an environment of their own: they hold back numpy.
# Left out is what they only draw pictures or train on GPUs with.
printf '%s\n' alibi-detect evidently nannyml river scipy 'whylogs[viz]' |
    compile --no-annotate --excludes <(printf '%s\n' kaleido nvidia-nccl-cu12) "$@" - \
        --output-file requirements/peers.lock
# The C compiler, for the kernel of the sketches.
echo ziglang | compile --no-annotate "$@" - --output-file requirements/compiler.lock
# The installer itself.
echo uv | compile --no-annotate "$@" - --output-file requirements/uv.lock
wc -l requirements/*.lock
