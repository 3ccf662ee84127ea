# A worker of Apache Beam that has Shoal: docker build -t REGISTRY/shoal-worker . && docker push …
# Then: shoal fit … --engine beam -- --environment_type=DOCKER (or, on Dataflow,
# --sdk_container_image=REGISTRY/shoal-worker). The versions here must be those of the launcher.
FROM apache/beam_python3.11_sdk:2.77.0
COPY . /src
RUN pip install --no-cache-dir "/src[beam,s3,gs]"
ENV NUMBA_CACHE_DIR=/tmp/numba
