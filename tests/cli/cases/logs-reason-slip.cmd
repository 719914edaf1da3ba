fairvisor logs --reason rate_limit_exceded decisions.txt
