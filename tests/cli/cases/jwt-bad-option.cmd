fairvisor jwt --keys tokens/keys.json --kyes x
