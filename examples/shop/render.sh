#!/bin/sh
# Writes the page from the version file and the commit that is being built.
set -eu
mkdir -p www
version=$(cat VERSION)
echo "rendering version $version of commit $SLIPWAY_COMMIT"
printf '<!doctype html><title>Shop</title><p>The shop, version %s, on @STAGE@.\n' "$version" > www/index.html
