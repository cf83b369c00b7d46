# docs/operating.md describes how to build and run the image, and how to send it requests.
#   docker build -t videovisual .
#   docker build -t videovisual:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
ARG BASE_IMAGE=python:3.11-slim-bookworm
# Archives in the image, which it serves by default.
ARG MODELS="i3d-kinetics400"

FROM ${BASE_IMAGE} AS build
# Index from which torch alone is installed; empty for PyPI.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG MODELS
ENV PATH=/opt/videovisual/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /requirements
RUN python3 -m venv /opt/videovisual
COPY constraints.txt ./
RUN pip install --no-deps -c constraints.txt ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} torch
# An empty package installs the requirements in a layer that code changes don't invalidate.
COPY pyproject.toml ./
COPY handlers/videovisual/version.py handlers/videovisual/
RUN mkdir archive_scripts client \
    && touch LICENSE README.md handlers/video_handler.py \
    && pip install -c constraints.txt setuptools '.[server,asgi,java]'
WORKDIR /src
COPY . .
RUN pip install --no-deps --no-build-isolation --force-reinstall . \
    && cat config.properties deploy/container/config.properties > /opt/videovisual/config.properties \
    && cp deploy/container/entrypoint.sh deploy/container/log4j2.xml deploy/container/ready.py \
        deploy/container/uvicorn.json /opt/videovisual/
RUN mkdir -p /opt/videovisual/store \
    && for model in ${MODELS}; do \
        videovisual archive --store /opt/videovisual/store "${model}" || exit 1; \
    done

FROM ${BASE_IMAGE}
ARG MODELS
RUN apt-get update \
    && apt-get install --yes --no-install-recommends 'tini=0.19.*' \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --gid 0 --no-create-home --home-dir /tmp videovisual \
    && install --directory --owner 10001 --group 0 --mode 0775 /var/cache/videovisual
COPY --from=build /opt/videovisual /opt/videovisual
ENV PATH=/opt/videovisual/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    VIDEOVISUAL_CACHE=/var/cache/videovisual \
    VIDEOVISUAL_MODELS=${MODELS} \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
# Downloaded weights; the archives above bring their own.
VOLUME /var/cache/videovisual
USER 10001
WORKDIR /tmp
EXPOSE 8080 8082
HEALTHCHECK --interval=5s --timeout=5s --start-period=180s --retries=3 \
    CMD ["python3", "-S", "/opt/videovisual/ready.py"]
ENTRYPOINT ["tini", "--", "/opt/videovisual/entrypoint.sh"]
