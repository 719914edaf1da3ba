fairvisor test -c /dev/null bundles/misspelt.json --requests logs/requests.json
