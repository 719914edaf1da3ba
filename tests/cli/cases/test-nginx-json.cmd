fairvisor test -c /dev/null bundles/lacking.json --requests logs/nginx.json
