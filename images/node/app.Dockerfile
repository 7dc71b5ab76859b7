# The app: the context is its source folder, RUNTIME and BUILD are the targets of the Dockerfile beside this one.
# A developer's own files, .env above all, do not even reach the builder: see app.Dockerfile.dockerignore.
ARG RUNTIME=monopco/node:runtime
ARG BUILD=monopco/node:build
ARG DEPENDENCIES=production

FROM ${BUILD} AS manifest
ARG PNPM_VERSION
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem \
    NODE_EXTRA_CA_CERTS=/run/secrets/ca.pem npm install --global --no-update-notifier "pnpm@${PNPM_VERSION:?is to be given}"
WORKDIR /app
COPY package.json pnpm-lock.yaml pnpm-workspace.yam[l] .pnpmfile.cj[s] .npmr[c] ./
COPY patche[s] patches/

FROM manifest AS dependencies-all
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem --mount=type=cache,id=monopco-pnpm,target=/var/cache/pnpm \
    NODE_EXTRA_CA_CERTS=/run/secrets/ca.pem pnpm install --frozen-lockfile --store-dir /var/cache/pnpm

FROM manifest AS dependencies-production
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem --mount=type=cache,id=monopco-pnpm,target=/var/cache/pnpm \
    NODE_EXTRA_CA_CERTS=/run/secrets/ca.pem pnpm install --frozen-lockfile --prod --store-dir /var/cache/pnpm

# hadolint ignore=DL3006
FROM dependencies-${DEPENDENCIES} AS dependencies

FROM dependencies-all AS built
COPY . ./
# VITE_* values become part of the page: base64 of a JSON object.
ARG PUBLIC_ENV
RUN NODE_ENV=production public-env pnpm run build

FROM ${RUNTIME}
WORKDIR /app
ENV NODE_ENV=production PORT=3000
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=built /app/package.json ./
COPY --from=built /app/dist ./dist
USER 10001:10001
ENTRYPOINT ["start"]
