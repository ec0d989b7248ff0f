# Not built yet: written and linted (hadolint) where no Docker daemon was available.
#
#   docker build --tag alexnet-tf .                                     CPU
#   docker build --tag alexnet-tf --build-arg EXTRAS=plots,gpu .        NVIDIA GPUs
#   docker run --rm --volume "$PWD:/work" --user "$(id -u):$(id -g)" alexnet-tf train --recipe=demo --workdir=run
#
# With GPUs, add `--gpus all`, which needs the NVIDIA Container Toolkit on the host.

ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY setup.py pyproject.toml MANIFEST.in requirements-inference.txt README.md LICENSE ./
COPY alexnet_tf alexnet_tf
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim
# Extras of setup.py, separated by commas.
ARG EXTRAS=plots
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(echo /wheels/alexnet_tf-*.whl)[${EXTRAS}]" \
    && useradd --create-home --uid 1000 alexnet \
    && mkdir /work \
    && chown alexnet /work
USER 1000
# Writable by any user, for `docker run --user`.
ENV HOME=/tmp
WORKDIR /work
ENTRYPOINT ["alexnet-tf"]
CMD ["--help"]
