# The pipeline of the benchmark by bare tools, one after the other, as a person would write it.
# The engine's client has no buildx everywhere; where it has none, its classic builder is used.
docker buildx version >/dev/null 2>&1 || export DOCKER_BUILDKIT=0

git clone --quiet --depth 1 --branch main "$CLONE_URL" "$WORKSPACE"
cd "$WORKSPACE"
test "$(git rev-parse HEAD)" = "$COMMIT"

docker run --rm -e SLIPWAY_COMMIT="$COMMIT" -v "$PWD":/workspace -w /workspace busybox:latest sh render.sh
docker run --rm -v "$PWD":/app -w /app busybox:latest sh -c 'grep -c version www/index.html'
docker build --quiet -t "$IMAGE:main" .
docker run --rm -e STAGE=test "$IMAGE:main" /serve check

short=$(printf %.7s "$COMMIT")
for tag in "$short" latest; do docker tag "$IMAGE:main" "$IMAGE:$tag"; done
for tag in main "$short" latest; do docker push --quiet "$IMAGE:$tag"; done

docker rename "$NAME" "$NAME-old" 2>/dev/null || true
docker run -d --name "$NAME" "$IMAGE:main"
address=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' "$NAME")
until curl -fs -o /dev/null "http://$address:8080/health"; do sleep 0.1; done
docker rm -f "$NAME-old" 2>/dev/null || true
