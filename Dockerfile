# syntax=docker/dockerfile:1
# One image for every process. Build for CPUs (the default) or GPUs:
#   docker build -t alignapp:cpu --build-arg PIP_EXTRA_INDEX_URL=<an index with PyTorch's CPU build> .
#   docker build -t alignapp:gpu --build-arg DEVICE=gpu .
# The CUDA libraries come with the packages; the host needs NVIDIA's driver and container toolkit.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS packages
ARG DEVICE=cpu
ARG PIP_EXTRA_INDEX_URL=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.lock requirements-gpu.lock /tmp/
RUN set -eu; \
    if [ "$DEVICE" = gpu ]; then lock=/tmp/requirements-gpu.lock; else lock=/tmp/requirements.lock; fi; \
    /opt/venv/bin/pip install --no-deps "$(grep '^torch==' "$lock")"; \
    /opt/venv/bin/pip install --no-deps -r "$lock"

FROM python:${PYTHON}-slim-bookworm
# g++ for the kernels that vLLM, Triton and torch.compile build when they first need them.
RUN apt-get update && apt-get install -y --no-install-recommends g++ libnuma1 && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --uid 10001 alignapp && install -d -o alignapp -g alignapp /data
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY --chown=root:root . .
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ALIGNAPP_HOME=/data HF_HOME=/data/hub
USER alignapp
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["python", "-OO", "-m", "alignapp.web", "--host", "0.0.0.0", "--port", "8000"]
