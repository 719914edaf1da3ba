fairvisor test --requets logs/combined.log
