fairvisor jwt --keys tokens/keys.json "$(cat tokens/good.txt)"
