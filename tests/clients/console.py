"""Clicks through the console as Bob who administrates, Carol and Dave who are officers, and through what
is a member's own as Ada, in a real browser, and prints what was wrong as JSON.

usage: console.py BASE_URL FOLDER on|off

The visits, what counts as wrong and the answer are those of pages.py. The configuration lets Bob and
Carol administrate, Dave audit besides, and asks for a second administrator.
"""

import re

import pages
from pages import Visit

pages.kept.update({
    "setup-green": "light-desk",
    "member": "light-desk",
    "alerts": "light-desk",
    "audit": "light-desk",
    "tried-members": "light-desk",
    "usage-drawn": "light-desk",
    "setup-first": "dark-phone",
    "members": "dark-phone",
    "policies": "dark-phone",
    "privacy-looked": "dark-phone",
})


class Console(Visit):
    """Bob, and who else it takes."""

    def all(self, first):
        self.who = "Bob"
        self.enter()
        self.setup(first)
        ada, carol, dave = (self.other(who) for who in ("Ada", "Carol", "Dave"))
        for person in (ada, carol, dave):
            person.enter()
        for officer in (carol, dave) if first else ():
            officer.proves()
        ada.proves()
        self.green()
        ada.shut_out()
        number = ada.number()
        self.members(number)
        self.suspended(number, ada, carol)
        ada.enter()
        ada.token()
        ada.objects()
        self.alerts(dave)
        ada.finds_the_answer()
        self.policies()
        self.log()
        dave.officer(number)
        ada.looked()
        self.lost_here()
        ada.erased()
        for person in (self, ada, carol, dave):
            person.context.close()

    def other(self, who):
        return Console(self.fresh, self.name, who)

    # Bob

    def setup(self, first):
        self.go("/")
        self.click("link", "Open the console")
        self.at("/admin")
        if first:
            self.see("setup-first")
            self.expect("to mend" in self.text("h1"), self.text("h1"))
            self.expect("How:" in self.text("main"), "nothing says how it is mended")
            self.go("/admin/alerts")
            self.see("alerts-none")
            self.go("/admin/members")
            self.see("members-first")

    def green(self):
        self.go("/admin")
        self.see("setup-green")
        self.expect(self.text("h1") == "Everything works", self.text("main"))

    def members(self, number):
        self.go("/admin/members")
        self.see("members")
        listed = self.page.locator(".list li").count()
        self.expect(4 <= listed <= 50, f"{listed} members stand on one page")
        further = self.page.get_by_role("link", name="Further members")
        if further.count():
            further.click()
            self.see("members-further")
            self.go("/admin/members")
        with self.allowed(404):
            self.page.locator("#who").fill("mbr_nobody")
            self.press("Find")
            self.see("members-unknown")
        self.page.locator("#who").fill(number)
        self.press("Find")
        self.at(f"/admin/members/{number}")
        self.see("member")
        self.expect("You were written down" in self.text("main"), "nothing says that it is recorded")

    def suspended(self, number, ada, carol):
        self.page.locator("#reason-suspend").select_option("lost-device")
        self.press("Suspend now")
        self.see("told-suspended")
        self.expect(self.text("h1") == "Suspended", self.text("h1"))
        with ada.allowed(401, 403):
            ada.go("/tokens")
            ada.expect("/tokens" not in ada.page.url, "her session lives")
        self.go("/admin/members?state=suspended")
        self.see("members-suspended")
        self.go(f"/admin/members/{number}")
        self.see("member-suspended")
        self.press("Propose: Reinstate")
        self.expect(self.text("h1") == "It waits for a second administrator", self.text("h1"))
        self.see("told-waits")
        self.go("/admin/alerts")
        self.see("alerts-own")
        self.expect(self.page.get_by_role("button", name="Agree").count() == 0, "he may agree to himself")
        carol.go("/admin/alerts")
        carol.see("alerts-agree")
        carol.press("Agree: Reinstate")
        carol.expect(carol.text("h1") == "Reinstated", carol.text("h1"))
        # To erase, the browser itself asks for the tick.
        self.go(f"/admin/members/{number}")
        self.press("Propose: Erase")
        self.expect(self.page.url.endswith(number), "an erasure without a tick went through")

    def alerts(self, dave):
        self.go("/admin/alerts")
        self.see("alerts")
        self.page.locator("select[name=reply]").select_option("meet")
        self.press("Send the answer")
        self.expect(self.text("h1") == "Answered", self.text("h1"))

    def policies(self):
        self.click("link", "Scopes and rules")
        self.see("policies")
        self.page.get_by_role("link", name="Who would lose access?").click()
        self.see("try")
        self.page.locator("#liveness_checked").check()
        self.page.locator("#sanctions_clear").check()
        self.press("Count who would lose access")
        self.see("tried")
        self.expect("would lose access" in self.text("h2"), self.text("h2"))
        self.press("Show them by number")
        self.see("tried-members")
        self.expect(self.page.locator(".lines a").count() >= 1, "nobody is shown")
        for box in self.page.locator("input[type=checkbox]").all():
            box.uncheck()
        with self.allowed(400):
            self.press("Count who would lose access")
            self.see("try-wrong")

    def log(self):
        self.click("link", "Log")
        self.see("audit")
        self.page.locator("#type").select_option("member.viewed")
        self.press("Search")
        self.see("audit-found")
        kinds = set(self.page.locator(".log h3").all_inner_texts())
        self.expect(kinds == {"member.viewed"}, f"the search finds {kinds}")
        self.go("/audit?type=nonsense")
        self.see("audit-wrong")
        self.go("/audit?member=mbr_" + "a" * 26)
        self.see("audit-none")
        self.go("/audit")
        older = self.page.get_by_role("link", name="Older entries")
        if older.count():
            older.click()
            self.see("audit-older")
            self.go("/audit")
        with self.page.expect_download() as download:
            self.page.get_by_role("button", name="Download the export").click()
        with open(download.value.path(), encoding="utf-8") as file:
            lines = file.readlines()
        self.expect(len(lines) > 20 and '"trailer":true' in lines[-1], "the export does not end")

    def lost_here(self):
        with self.allowed(404):
            self.go("/admin/members/mbr_nobody")
            self.see("member-none")

    # Ada

    def shut_out(self):
        with self.allowed(403):
            self.go("/admin")
            self.see("console-refused")
        self.go("/")
        self.expect("Open the console" not in self.page.content(), "she is shown the console")

    def number(self):
        self.go("/privacy")
        return re.search(r"mbr_[a-z2-7]{26}", self.page.content()).group()

    def token(self):
        self.go("/tokens")
        self.page.locator("#label").fill("laptop")
        self.press("Make the token")
        self.see("token-made-tools")
        token = self.page.locator(".secret").inner_text()
        for tool in ("Cursor", "Continue", "aider", "CI"):
            self.expect(self.page.get_by_text(tool, exact=True).count() >= 1, f"no lines for {tool}")
        for _ in range(3):
            self.chats(token)
        self.go("/usage")
        self.see("usage")
        self.page.locator("#token").fill(token)
        self.page.get_by_role("button", name="Show its use").click()
        if pages.scripts == "on":
            self.page.locator("#drawn").wait_for(state="visible")
            self.see("usage-drawn")
            self.expect("3 requests" in self.text("#drawn"), self.text("#drawn"))
            self.page.locator("#token").fill("bauta_nonsense")
            with self.allowed(400, 401):
                self.page.get_by_role("button", name="Show its use").click()
                self.page.get_by_text("did not take this token").wait_for()
                self.see("usage-refused")
        else:
            self.page.wait_for_load_state()
            self.at("/usage/self")
            self.expect("3 requests" in self.text("main"), self.text("main"))
            self.shown_elsewhere("usage-gateway")

    def shown_elsewhere(self, name):
        """A page of the gateway, which has a look of its own."""
        self.step = name
        self.page.screenshot(path=f"{pages.folder}/{name}-{self.name}.png", full_page=True)
        wide = self.page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
        self.expect(not wide, "it is wider than the screen")

    def chats(self, token):
        body = b'{"model":"claude-haiku","max_tokens":9,"messages":[{"role":"user","content":"x"}]}'
        request = pages.urllib.request.Request(pages.base + "/v1/messages", body, {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
        })
        pages.urllib.request.urlopen(request, timeout=20).read()

    def objects(self):
        self.go("/verify")
        self.click("link", "Have a person look at it")
        self.see("appeal")
        self.page.locator("#about-record").check()
        self.page.locator("#ground-person").check()
        self.press("Send it")
        self.see("appeal-made")
        self.go("/appeal")
        self.see("appeal-open")

    def finds_the_answer(self):
        self.go("/")
        self.see("overview-answered")
        self.expect("go to two officers in person" in self.page.content(), "no answer came")

    def looked(self):
        self.go("/privacy")
        self.see("privacy-looked")
        self.expect("an administrator (mbr_" in self.text("main"), "nobody is said to have looked")
        with self.page.expect_download() as download:
            self.page.get_by_role("link", name="Download everything").click()
        with open(download.value.path(), encoding="utf-8") as file:
            self.expect('"held"' in file.read(), "the file is empty")

    def erased(self):
        self.press("Erase me")
        self.expect(self.page.url.endswith("/privacy"), "she is erased without a tick")
        self.page.locator("#sure").check()
        self.press("Erase me")
        self.see("erased")
        self.expect(self.text("h1") == "You are erased", self.text("h1"))

    # Dave

    def officer(self, number):
        self.go("/")
        self.see("overview-officer-console")
        self.click("link", "Open the console")
        self.at("/admin/members")
        self.go(f"/admin/members/{number}")
        self.see("member-for-an-officer")
        self.expect(self.page.locator("form[action='/admin/change']").count() == 0, "an officer may change it")


pages.main(Console)
