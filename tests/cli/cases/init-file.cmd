folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
cd "$folder"
for template in api llm webhook agents; do
    fairvisor init --template=$template $template.json
    fairvisor validate --strict $template.json
done
