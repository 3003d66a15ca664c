# syntax=docker/dockerfile:1
# The gateway's image, for Kubernetes (docs/kubernetes.md) and for any container engine:
#   docker build -t event-gateway:0.1.0 .
# tests/it/process/image.rs compares it with what the binary and the chart need.

FROM rust:1.95-bookworm AS build
# librdkafka is compiled from source, with zlib, OpenSSL and curl.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make pkg-config libssl-dev zlib1g-dev libcurl4-openssl-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --locked --profile dist --bin event-gateway \
    && cp target/dist/event-gateway /event-gateway

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libcurl4 libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir -p /etc/event-gateway/tenants \
    && install -d -o 65532 -g 65532 /var/lib/event-gateway
COPY --from=build /event-gateway /usr/local/bin/event-gateway
# A number, so that runAsNonRoot can be checked; it has no entry in /etc/passwd, and needs none.
USER 65532:65532
# SQLite's file is data/event-gateway.db here, unless STORE_URL says otherwise.
WORKDIR /var/lib/event-gateway
# On another address than loopback, the gateway starts only once AUTH_MODE says who checks tokens.
ENV HTTP_HOST=0.0.0.0 TENANTS_DIR=/etc/event-gateway/tenants
EXPOSE 8081
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/event-gateway"]
CMD ["serve"]
