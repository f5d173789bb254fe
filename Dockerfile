# syntax=docker/dockerfile:1

# Builds the server, and puts it alone on a base without a shell. See docs/install.md.
#
#   docker build --build-arg COMMIT=$(git rev-parse --short HEAD) --tag rillcast .
#   docker run --network host --read-only --cap-drop ALL --security-opt no-new-privileges rillcast

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY . .
# What `rillcast --version` says of where it came from.
ARG COMMIT=unknown
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    RILLCAST_COMMIT="$COMMIT" cargo build --release --locked --bin rillcast && \
    install -D --strip target/release/rillcast /out/rillcast && \
    install -d -m 0750 /out/state

# glibc, libgcc, certificate authorities; neither a shell nor a package manager.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/rillcast /usr/local/bin/rillcast
# The one place that is written to; everything else may be read-only.
COPY --from=build --chown=nonroot:nonroot /out/state /var/lib/rillcast
VOLUME /var/lib/rillcast
WORKDIR /var/lib/rillcast
USER nonroot

# Pages and API; media over UDP and TCP, one port for each worker (MEDIA_WORKERS; one per core where it is not set).
EXPOSE 8080/tcp 7000/udp 7000/tcp

# It reads the same variables as the server, and so knows where to ask.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s CMD ["/usr/local/bin/rillcast", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/rillcast"]
CMD ["serve"]
