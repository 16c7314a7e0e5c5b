# syntax=docker/dockerfile:1

# The image holds one static configuration path, one program and the public
# certificate authorities; it runs without root, without capabilities and with a
# read-only root file system:
#
#   docker build -t pumpwatch .
#   docker run --rm --read-only --cap-drop ALL pumpwatch version

FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
# librdkafka, OpenSSL, zlib and zstd are built from source with the compiler, make
# and perl of this image; the mounts keep what is built between builds.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin pumpwatch \
    && install -D target/release/pumpwatch /out/usr/local/bin/pumpwatch
RUN install -d /out/etc/pumpwatch /out/var/lib/pumpwatch \
    && install -D -m 644 LICENSE NOTICE -t /out/usr/share/doc/pumpwatch \
    && install -D -m 644 /etc/ssl/certs/ca-certificates.crt -t /out/etc/ssl/certs

FROM debian:bookworm-slim
COPY --from=build /out/usr /usr
COPY --from=build /out/etc /etc
# A volume that is mounted here for the first time inherits the owner.
COPY --from=build --chown=65532:65532 /out/var/lib/pumpwatch /var/lib/pumpwatch
USER 65532:65532
WORKDIR /var/lib/pumpwatch
VOLUME ["/var/lib/pumpwatch"]
EXPOSE 8080
ENTRYPOINT ["pumpwatch"]
CMD ["run", "--config", "/etc/pumpwatch/pumpwatch.yaml"]
