# syntax=docker/dockerfile:1
# One image per service: docker build --build-arg SERVICE=inference -t driftline/inference .
# It holds the service, shared/ and what its lock names; no other service's code, no tool.
ARG SERVICE
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS environment
ARG SERVICE
COPY requirements/${SERVICE}.lock /tmp/service.lock
RUN ["python", "-m", "venv", "/opt/driftline"]
# Wheels alone: what is built from source would fetch tools that no hash vouches for.
# faust-streaming has none for arm64: build drift_detection with --platform linux/amd64.
RUN ["/opt/driftline/bin/pip", "install", "--no-cache-dir", "--only-binary=:all:", "--require-hashes", "--requirement", "/tmp/service.lock"]

FROM python:${PYTHON} AS kernel
COPY requirements/compiler.lock /tmp/compiler.lock
RUN ["python", "-m", "pip", "install", "--no-cache-dir", "--only-binary=:all:", "--require-hashes", "--requirement", "/tmp/compiler.lock"]
COPY shared/reference/kernel/ /kernel/
RUN ["python", "/kernel/build.py"]

FROM python:${PYTHON} AS base
# Numbers, not names: Kubernetes can tell that it is not root.
RUN groupadd --gid 10001 driftline \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin driftline \
    && cd /var/lib && for folder in . bundles keys privacy tables tokens trust \
        inference feature_logging drift_detection retrain_trigger governance; do \
        install --directory --owner=10001 --group=10001 --mode=0750 "driftline/$folder"; done
COPY --from=environment /opt/driftline /opt/driftline
ENV PATH=/opt/driftline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DRIFTLINE_STATE=/var/lib/driftline \
    DRIFTLINE_HOST=0.0.0.0 \
    DRIFTLINE_PORT=8080
WORKDIR /app
COPY shared/ shared/
COPY --from=kernel /kernel/ shared/reference/kernel/
COPY services/__init__.py services/__init__.py
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "import os, urllib.request as http; http.urlopen('http://127.0.0.1:' + os.environ['DRIFTLINE_PORT'] + '/live', timeout=4)"]
STOPSIGNAL SIGTERM

FROM base AS inference
COPY services/inference/ services/inference/
ENV DRIFTLINE_GRPC_PORT=8081
EXPOSE 8081
CMD ["python", "-m", "services.inference"]

FROM base AS feature_logging
COPY services/feature_logging/ services/feature_logging/
CMD ["python", "-m", "services.feature_logging"]

FROM base AS drift_detection
COPY services/drift_detection/ services/drift_detection/
CMD ["python", "-m", "services.drift_detection"]

FROM base AS retrain_trigger
# Lineage names what trained: --build-arg CODE_COMMIT=$(git rev-parse HEAD), and the lock.
ARG CODE_COMMIT=unknown
ENV DRIFTLINE_CODE_COMMIT=${CODE_COMMIT}
COPY requirements/retrain_trigger.lock requirements/retrain_trigger.lock
# The training functions that model definitions name.
COPY models/ models/
COPY services/retrain_trigger/ services/retrain_trigger/
CMD ["python", "-m", "services.retrain_trigger"]

FROM base AS governance
COPY services/governance/ services/governance/
CMD ["python", "-m", "services.governance"]

FROM ${SERVICE}
