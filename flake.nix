{
  description = "Axepool: a proxy pool that pays Bitaxes in ecash";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    rust-overlay = {
      url = "github:oxalica/rust-overlay";
      inputs.nixpkgs.follows = "nixpkgs";
    };
  };

  outputs = { self, nixpkgs, rust-overlay }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" ];
      each = make: nixpkgs.lib.genAttrs systems (system:
        make (import nixpkgs { inherit system; overlays = [ rust-overlay.overlays.default ]; }));
      # The compiler that everybody else builds with.
      toolchain = pkgs: pkgs.rust-bin.fromRustupToolchainFile ./rust-toolchain.toml;
    in {
      packages = each (pkgs:
        let
          rust = toolchain pkgs;
          platform = pkgs.makeRustPlatform { cargo = rust; rustc = rust; };
          version = (builtins.fromTOML (builtins.readFile ./Cargo.toml)).workspace.package.version;
        in {
          # An owner's program, without any of the pool.
          wallet = platform.buildRustPackage {
            pname = "axepool-wallet";
            inherit version;
            src = self;
            cargoLock.lockFile = ./Cargo.lock;
            cargoBuildFlags = [ "-p" "owner" ];
            nativeBuildInputs = [ pkgs.protobuf pkgs.pkg-config ];
            doCheck = false;
          };
          default = platform.buildRustPackage {
            pname = "axepool";
            inherit version;
            src = self;
            cargoLock.lockFile = ./Cargo.lock;
            cargoBuildFlags = [ "-p" "axepool" "-p" "demo" ];
            nativeBuildInputs = [ pkgs.protobuf pkgs.pkg-config ];
            # The tests want sockets, npm's packages and a browser: `make test` runs them.
            doCheck = false;
            postInstall = ''
              install -Dm644 -t $out/share/axepool/ldk-node-config ldk-node-config/*
              install -Dm644 -t $out/share/axepool axepool.example.toml
              install -Dm644 -t $out/lib/systemd/system deploy/systemd/*.service deploy/systemd/*.socket
              substituteInPlace $out/lib/systemd/system/axepool.service \
                --replace-fail /usr/bin/axepool $out/bin/axepool
            '';
          };
        });

      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [
            (toolchain pkgs)
            pkgs.protobuf pkgs.pkg-config
            pkgs.cargo-nextest pkgs.cargo-deny
            pkgs.nodejs pkgs.chromium pkgs.prometheus pkgs.shellcheck
          ];
        };
      });
    };
}
