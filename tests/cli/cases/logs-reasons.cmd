fairvisor logs --reason kill --reason jwt_invalid decisions.txt
