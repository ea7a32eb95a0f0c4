# Which Python, and which Debian under it. A tag moves: for an image that can be made again, give its digest,
#   docker build --build-arg BASE=python:3.13-slim@sha256:... --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" .
# or `make image BASE=...`. What has to be the same then is the files; docs/kubernetes.md says how their times are, too.
# All else is what requirements.lock says, by its hashes.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
# With it, wheels and compiled files have no time of building in them, and the latter are checked by content.
ARG SOURCE_DATE_EPOCH
WORKDIR /src
# The dependencies first: they change less often than the code, and are exactly what the lock file says.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/seawall \
 && pip wheel --no-cache-dir --require-hashes --only-binary :all: --wheel-dir /wheels -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY proxy/ proxy/
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && pip --python /opt/seawall/bin/python install --no-cache-dir --no-index --no-deps --compile /wheels/*.whl

FROM ${BASE}
ARG BASE
ARG VERSION="0.1.0"
ARG REVISION=""
# The day on which a user is made is written down, too.
ARG SOURCE_DATE_EPOCH
LABEL org.opencontainers.image.title="Seawall" \
      org.opencontainers.image.description="A sidecar reverse proxy that hardens an unmodified application by YAML policy files" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"

# Nothing here installs anything, so what could is taken away: pip, and the copy of it that Python can unpack.
# The base has no compiled files of Python's own library, and nobody could write them later: each start, and each
# health check, would compile it anew.
RUN export PYTHONDONTWRITEBYTECODE=1 \
 && pip uninstall --yes --root-user-action ignore pip \
 && rm -r "$(python -c 'import ensurepip; print(ensurepip.__path__[0])')" \
 && python -m compileall -q --invalidation-mode unchecked-hash -x '/(idlelib|lib2to3|pydoc_data|tests?|tkinter|turtledemo)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && mkdir -p /etc/seawall/policies \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin seawall
COPY --from=build /opt/seawall /opt/seawall

# glibc's malloc returns large buffers to the kernel and fetches them again for every large body; with these it
# keeps them. Two arenas are plenty for one busy thread. It reads them once, when the process starts.
# Nothing is written anywhere, so the root may be read-only, without a /tmp.
ENV MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=33554432 \
    MALLOC_TRIM_THRESHOLD_=67108864 \
    MALLOC_TOP_PAD_=1048576 \
    PATH=/opt/seawall/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SEAWALL_POLICIES=/etc/seawall/policies \
    SEAWALL_LISTEN=0.0.0.0:8080 \
    SEAWALL_STATUS=0.0.0.0:9902

# Mount the policies here. The image has none: it would rather not start than run somebody else's.
WORKDIR /etc/seawall
EXPOSE 8080 9902
USER 10001:10001

HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["python", "-c", "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1', 9902, timeout=2); c.request('GET', '/livez'); sys.exit(c.getresponse().status != 200)"]

ENTRYPOINT ["seawall"]
CMD ["run"]
