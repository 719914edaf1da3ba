folder=$(mktemp -d) && cd "$folder" && fairvisor init --template=api --json && fairvisor init --template=api --json - ; fairvisor init --list --json; rm -r "$folder"
