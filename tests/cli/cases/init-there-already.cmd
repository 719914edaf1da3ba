folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo mine >policy.json
fairvisor init --template=api
echo "exit $?"
cat policy.json
fairvisor init --template=api --force 2>/dev/null
echo "exit $?"
fairvisor validate policy.json
