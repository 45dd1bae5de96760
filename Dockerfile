# syntax=docker/dockerfile:1
# Targets: `freshet` (the default, last), `traffic` (the rows and readers of docker-compose.yml).

FROM rust:1-bookworm AS build
WORKDIR /build
COPY . .
# librdkafka is built from its crate; OpenSSL and zlib come from the image, whose runtime half is installed below.
RUN scripts/dist.sh

FROM debian:bookworm-slim AS traffic
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client redis-tools curl ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY examples/compose/traffic.sh /usr/local/bin/traffic
USER 65532:65532
ENTRYPOINT ["bash", "/usr/local/bin/traffic"]

FROM debian:bookworm-slim AS freshet
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates libssl3 zlib1g \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/dist/freshet /usr/local/bin/freshet
USER 65532:65532
EXPOSE 9464
# SIGTERM drains, commits and leaves within stop_within (25 s): give it 30 before the kill.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/freshet"]
CMD ["run", "--config", "/etc/freshet/freshet.yaml"]
