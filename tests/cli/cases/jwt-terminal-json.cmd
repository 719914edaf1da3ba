fairvisor jwt --keys tokens/keys.json --json <tokens/terminal.txt
