"""From a fresh configuration to a token: Bob administrates, Carol and Dave vouch, Ada begins. Prints what
was wrong as JSON, with the clicks that Ada needed after her sign-in, and the token she got.

usage: first.py BASE_URL FOLDER on|off
"""

import json
import sys

import pages
from pages import Visit, fresh, sync_playwright


class First(Visit):
    """Somebody on the first day."""

    clicks = 0

    def counted(self, role, name):
        """A click of hers."""
        self.clicks += 1
        self.page.get_by_role(role, name=name).first.click()
        self.page.wait_for_load_state()

    def checklist(self, name):
        self.go("/admin")
        self.see(name)
        return self.text("h1")

    def vouches(self, code):
        self.go("/officer")
        self.types(code)
        self.page.get_by_role("checkbox").check()
        self.press("Confirm")


def day(browser):
    bob, carol, dave, ada = (
        First(lambda: fresh(browser, "light", "desk"), "first-day", who) for who in ("Bob", "Carol", "Dave", "Ada")
    )
    bob.enter()
    bob.expect("to mend" in bob.checklist("first-setup"), "nothing is to be mended on the first day")
    for officer in (carol, dave):
        officer.enter()
    bob.expect(bob.checklist("first-green") == "Everything works", bob.text("main"))
    ada.enter()
    ada.counted("link", "Verify once")
    ada.counted("link", "Verify in person")
    ada.counted("button", "Show my code")
    code = ada.page.locator("#meeting-code [aria-hidden]").inner_text()
    for officer in (carol, dave):
        officer.vouches(code)
    ada.counted("link", "Tokens")
    ada.page.locator("#label").fill("laptop")
    ada.counted("button", "Make the token")
    ada.see("first-token")
    token = ada.page.locator(".secret").inner_text()
    ada.expect(ada.asks(token) == 200, "the token does not open the gateway")
    return ada.clicks, token


with sync_playwright() as driver:
    browser = driver.chromium.launch(
        executable_path=pages.os.environ["BAUTA_TEST_CHROMIUM"], args=["--no-sandbox"]
    )
    clicks, token = day(browser)
    told = {"browser": browser.version, "pages": pages.pages, "wrong": pages.wrong, "clicks": clicks, "token": token}
    browser.close()
json.dump(told, sys.stdout)
