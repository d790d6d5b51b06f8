#!/usr/bin/env python3
"""The Debian packages, made and unpacked: what is in them runs from there. Installing them is left to who wants them."""
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TRIPLET = f"{platform.machine()}-linux-gnu"
PLUGIN = ROOT / "build" / "plugins" / "rust-headers.wasm"


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="weir-deb-")
        cls.root = pathlib.Path(cls.folder.name)
        os.chmod(cls.root, 0o755)
        run(ROOT / "scripts" / "deb.sh", cls.root / "debs", env={**os.environ, "DPKG_DEB_COMPRESSOR_TYPE": "none"})
        cls.debs = sorted((cls.root / "debs").glob("*.deb"))
        for deb in cls.debs:
            run("dpkg-deb", "-x", deb, cls.root)
        cls.libraries = cls.root / "usr" / "lib" / TRIPLET
        cls.environment = {**os.environ, "LD_LIBRARY_PATH": str(cls.libraries), "WEIR_MODULES": str(cls.root / "usr/lib/nginx/modules")}

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_depend_on_the_abi_of_this_nginx(self):
        abi = [word for word in run("dpkg-query", "-W", "-f", "${Provides}", "nginx").replace(",", " ").split() if word.startswith("nginx-abi-")]
        weir = next(deb for deb in self.debs if deb.name.startswith("weir_"))
        depends = run("dpkg-deb", "-f", weir, "Depends")
        self.assertIn(abi[0], depends)
        self.assertIn("libcurl4", depends)

    def test_nginx_gets_no_database(self):
        for file in (f"usr/lib/{TRIPLET}/libweir.so", "usr/lib/nginx/modules/ngx_http_weir_module.so"):
            self.assertNotRegex(run("readelf", "-d", self.root / file), "libpq|libsqlite", file)

    def test_carry_no_path_of_the_build(self):
        for file in ("usr/bin/weir", f"usr/lib/{TRIPLET}/libweir.so", "usr/lib/nginx/modules/ngx_http_weir_module.so"):
            dynamic = run("readelf", "-d", self.root / file)
            self.assertNotIn(str(ROOT), dynamic, file)

    def test_the_command_runs(self):
        self.assertIn("weir ", run(self.root / "usr/bin/weir", "--version", env=self.environment))
        out = run(self.root / "usr/bin/weir", "inspect", PLUGIN, env=self.environment)
        self.assertIn("Proxy-Wasm ABI", out)
        self.assertTrue((self.root / "usr/share/man/man1/weir.1.gz").exists())
        for shell in ("bash-completion/completions/weir", "zsh/vendor-completions/_weir", "fish/vendor_completions.d/weir.fish"):
            self.assertGreater((self.root / "usr/share" / shell).stat().st_size, 1000, shell)

    def test_nginx_loads_the_modules(self):
        modules = self.root / "usr/lib/nginx/modules"
        enabled = (self.root / "usr/share/nginx/modules-available/mod-http-weir.conf").read_text().replace("modules/", f"{modules}/")
        conf = self.root / "nginx.conf"
        conf.write_text(f"""{enabled}
load_module /usr/lib/nginx/modules/ngx_stream_module.so; load_module {modules}/ngx_stream_weir_module.so;
error_log stderr; pid {self.root}/pid; events {{}}
http {{ access_log off; weir_plugin p {PLUGIN} config={ROOT}/plugins/rust/headers/headers.json; server {{ listen unix:{self.root}/s; location / {{ weir p; return 204; }} }} }}
""")
        self.assertIn("test is successful", run("/usr/sbin/nginx", "-t", "-c", conf, "-p", self.root, env=self.environment))

    def test_a_program_in_c_links_with_libextism(self):
        source = self.root / "e.c"
        source.write_text('#include <extism.h>\n#include <stdio.h>\nint main(void) { puts(extism_version()); return 0; }\n')
        for name in ("extism", "extism-static"):
            lines = (self.libraries / "pkgconfig" / f"{name}.pc").read_text().splitlines()
            flags = " ".join(line.split(":", 1)[1] for line in lines if line.startswith(("Cflags:", "Libs:")))
            for variable in ("libdir", "includedir"):
                value = next(line.split("=", 1)[1] for line in lines if line.startswith(f"{variable}="))
                flags = flags.replace("${" + variable + "}", value)
            self.assertNotIn("${", flags)
            flags = flags.replace("/usr/", f"{self.root}/usr/").split()
            run("gcc", source, "-o", self.root / name, *flags)
            self.assertRegex(run(self.root / name, env=self.environment), r"^\d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    if subprocess.run(["dpkg-query", "-W", "nginx"], capture_output=True).returncode != 0:
        print("SKIPPED: nginx is not Debian's here\n0 passed, 0 failed, 6 skipped")
        sys.exit(0)
    result = unittest.main(exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed, {len(result.skipped)} skipped")
    sys.exit(1 if failed else 0)
