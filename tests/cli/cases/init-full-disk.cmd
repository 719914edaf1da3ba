folder=$(mktemp -d) && cd "$folder" && fairvisor init --template=api --json >/dev/full; code=$?; ls; rm -r "$folder"; exit $code
