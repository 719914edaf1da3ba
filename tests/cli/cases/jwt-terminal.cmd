fairvisor jwt --keys tokens/keys.json <tokens/terminal.txt
