# Mayfly in a container: `serve` from one volume, as a user without rights.
#
#   docker build -t mayfly --build-arg COMMIT=$(git rev-parse HEAD) .
#   docker run --rm -v mayfly:/var/lib/mayfly -v "$PWD/offline:/offline" mayfly \
#     init --data /var/lib/mayfly --root-key-out /offline/root.key.pem --origin ca.example.org/log/2026
#   (user 1000 writes to ./offline; move the root key away from there)
#
# compose.yaml runs it behind a proxy that speaks TLS.

# The digest names the multi-architecture index of exactly this version: renew both together.
ARG NODE=node:24.21.0-bookworm-slim@sha256:d6aa754f16b3197301076f047b5def2f02ea1dbbc2ca920407d46d7ec7f87b20

FROM ${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# Without the runtime for checkouts: the image is that very version.
RUN npm ci --omit=optional --ignore-scripts --no-audit --no-fund
COPY . .
# What `mayfly --version` names: the history is not in here.
ARG COMMIT=
RUN MAYFLY_COMMIT=$COMMIT npm run build && rm -rf dist/test dist/bench dist/scripts dist/.tsbuildinfo

# What runs needs no compiler and no test tools. No package that runs has an install script.
FROM ${NODE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM ${NODE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY bin bin
RUN install -d -m 0700 -o node -g node /var/lib/mayfly
# The user "node" by number, so that an orchestrator can see that it is not root.
USER 1000:1000
VOLUME /var/lib/mayfly
EXPOSE 5555 2112
# /readyz on the metrics listener, which is plain HTTP whatever the public one speaks: can sign, can commit, head fresh.
ENV MAYFLY_READY_URL=http://127.0.0.1:2112/readyz
HEALTHCHECK --interval=10s --timeout=8s --start-period=30s CMD ["node", "-e", "fetch(process.env.MAYFLY_READY_URL).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/bin/mayfly.js"]
# Listens on the container's loopback only. To be reached from outside, add TLS (--listen 0.0.0.0:5555 --tls-cert …
# --tls-key …), or a proxy that speaks it in front (--listen 0.0.0.0:5555 --behind-tls-proxy, as compose.yaml does).
# `serve` never loads the development provider and refuses a directory that `dev` made.
CMD ["serve", "--data", "/var/lib/mayfly"]
