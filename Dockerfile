# syntax=docker/dockerfile:1

# The image holds Node, what Node is linked with, and the program: no shell, no package manager, nothing else to run.
# `npm run image` makes the same image without an engine, by the same layout and by the last stage below.
FROM node:26.10.0-trixie-slim AS build
# Node 26 is linked with libatomic1; the layout takes it, and the certificates, from here.
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates libatomic1
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY LICENSE ./
COPY image image
COPY src src
RUN node image/layout.ts /layers

FROM scratch
COPY --from=build /layers/platform /
COPY --from=build /layers/dependencies /
COPY --from=build /layers/program /
# Certificates that are mounted over those of the image count too.
ENV PATH=/usr/local/bin NODE_ENV=production NODE_USE_SYSTEM_CA=1 HOST=0.0.0.0
WORKDIR /app
USER 65532:65532
# Clients; and whatever else is served, where ADMIN_PORT says so.
EXPOSE 3002 3003
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["node", "--eval", "fetch(`http://127.0.0.1:${process.env.PORT || 3002}/livez`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
LABEL org.opencontainers.image.title=tidegauge org.opencontainers.image.version=0.1.0 \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.description="A WebSocket gateway for NATS that can always say exactly what it is doing."
ENTRYPOINT ["/usr/local/bin/node", "src/main.ts"]
