# Redoc, which /docs shows the contract with. It is embedded into the program.
FROM node:22-bookworm-slim AS redoc
WORKDIR /redoc
RUN npm pack --silent redoc@2.5.4 && tar -xzf redoc-2.5.4.tgz package/bundles/redoc.standalone.js

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY api ./api
COPY cmd ./cmd
COPY internal ./internal
COPY pkg ./pkg
COPY --from=redoc /redoc/package/bundles/redoc.standalone.js ./internal/web/dist/redoc.standalone.js
RUN CGO_ENABLED=0 go build -trimpath -tags=nomsgpack -ldflags='-s -w' -o /out/ ./cmd/shiyi ./cmd/shiyi-verify

# PostgreSQL's binaries are inside for the private server that the program starts when DATABASE_URL is
# empty. With a database of its own beside it, as in deployments/compose.yaml, they lie idle.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates tzdata postgresql-common \
 && sed -i 's/^#\?create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf \
 && apt-get install -y --no-install-recommends postgresql-15 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/shiyi --create-home --shell /usr/sbin/nologin shiyi
COPY --from=build /out/shiyi /out/shiyi-verify /usr/local/bin/
USER 10001
WORKDIR /var/lib/shiyi
VOLUME /var/lib/shiyi
ENV STATE_DIR=/var/lib/shiyi \
    LISTEN_ADDR=:8080
EXPOSE 8080
# The first start replays the recorded year, hence the long grace.
HEALTHCHECK --interval=10s --timeout=3s --start-period=180s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3 | grep -q ' 200 '"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["shiyi"]
CMD ["serve"]
