fairvisor jwt --keys tokens/keys.json --json sk-live-0123456789
