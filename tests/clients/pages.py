"""Clicks through the portal as Ada, and as Bob with two officers, in a real browser and prints what was wrong as JSON.

usage: pages.py BASE_URL FOLDER on|off

Scripts are `on` or `off`. With each there are two visits, so that every pair of scripts, colours and
size is seen: light on a desk and dark on a telephone, or the other way round. A screenshot of each
page goes to FOLDER. BAUTA_TEST_CHROMIUM names the browser. Whatever a page does wrong is one
line: a message on its console (violations of its policy are such messages), an answer of 400 or more
that was not asked for, text that is hard to read, a field without a name, a page wider than the
screen, and whatever axe-core finds where scripts are on (BAUTA_TEST_NPM says where it is).
BAUTA_TEST_SCREENS names a folder for small pictures of the pages in `kept`; docs/screens are those.
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

from playwright.sync_api import sync_playwright

base, folder, scripts = sys.argv[1:4]
SIZES = {"phone": (360, 740), "desk": (1440, 900)}
VISITS = {"on": [("light", "desk"), ("dark", "phone")], "off": [("light", "phone"), ("dark", "desk")]}
wrong, pages, expected = [], 0, set()
# The pages that docs/screens shows, and in which visit.
kept = {}


def axe():
    """The text of axe-core, which runs in the page and is no part of it."""
    with open(os.path.join(os.environ["BAUTA_TEST_NPM"], "axe-core", "axe.min.js"), encoding="utf-8") as file:
        return file.read()


AXE = axe() if scripts == "on" else None


def main(visitor=None):
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=os.environ["BAUTA_TEST_CHROMIUM"], args=["--no-sandbox"]
        )
        for scheme, size in VISITS[scripts]:
            first = (scheme, size) == VISITS[scripts][0]
            someone = (visitor or Visit)(lambda: fresh(browser, scheme, size), f"{scheme}-{size}-scripts-{scripts}")
            someone.all(first)
        version = browser.version
        browser.close()
    json.dump({"browser": version, "pages": pages, "wrong": wrong}, sys.stdout)


def fresh(browser, scheme, size):
    """A browser that nobody has used yet."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        java_script_enabled=scripts == "on",
        reduced_motion="reduce",
        locale="en-GB",
    )
    context.set_default_timeout(10_000)
    return context


class Visit:
    """One person at one browser."""

    def __init__(self, fresh, name, who="Ada"):
        self.fresh, self.name, self.who, self.step = fresh, name, who, "begin"
        self.context = fresh()
        self.page = self.context.new_page()
        self.page.on("console", self.heard)
        self.page.on("pageerror", lambda error: self.say(f"script: {error}"))
        self.page.on("response", self.answered)
        self.page.on("requestfailed", self.failed)

    def all(self, first):
        """Everything. Some of it only once: the members are the same at the second visit, and may
        begin five verifications a day."""
        self.signed_out()
        self.sign_in()
        self.verify(first)
        if not first:
            self.minor()
        self.tokens()
        self.device()
        self.in_person(first)
        self.privacy()
        self.lost()
        self.sign_out()
        self.context.close()

    def signed_out(self):
        self.go("/")
        self.see("welcome")
        # The first thing the keyboard reaches is the way past the navigation.
        self.page.keyboard.press("Tab")
        skip = self.page.locator("a.skip")
        self.expect(skip.evaluate("e => e === document.activeElement"), "Tab does not reach the skip link")
        self.expect(skip.bounding_box()["x"] >= 0, "the skip link stays hidden")

    def sign_in(self):
        self.enter()
        self.see("overview-before")

    def enter(self):
        self.go("/")
        self.click("link", "Sign in")
        self.page.get_by_role("button", name=f"Sign in as {self.who}").click()
        self.at("/")

    def verify(self, first):
        self.go("/verify")
        self.see("verify")
        if first:
            self.proves("Decline")
            self.see("verify-declined")
            self.go("/")
            self.see("overview-declined")
            self.expect("did not confirm" in self.page.content(), "home does not say that it was declined")
        self.proves(seen="verify-back")
        self.see("verify-done")
        self.go("/verify")
        self.page.locator("summary").click()
        self.see("verified")
        self.go("/")
        self.see("overview")
        self.expect(self.text("h1").startswith("Verified until"), self.text("h1"))

    def proves(self, decision="Approve", who="adult", seen=None):
        """Goes to the vendor once, and waits for what comes of it."""
        self.go("/verify")
        self.page.locator("form[action='/verify/start'] button").click()
        self.page.locator(f"input[name='evidence'][value='{who}']").check()
        self.page.get_by_role("button", name=decision).click()
        # She has done her part: nothing may ask her to begin.
        self.at("/verify/waiting")
        if seen:
            self.see(seen)
        for _ in range(50):
            self.go("/verify/waiting?still=1")
            if self.page.locator(".bar").count() == 0:
                break
            self.page.wait_for_timeout(100)

    def minor(self):
        """Ada at fifteen: verified, and some models stay closed."""
        self.proves(who="minor")
        self.see("verify-minor")
        self.go("/")
        self.see("overview-minor")
        self.expect("Open in part" in self.page.content(), "nothing says that it is open in part")
        self.go("/verify")
        self.see("verified-minor")
        self.expect("asks that you are 18 or older" in self.page.content(), "no rule is named")
        self.proves()

    def tokens(self):
        self.go("/tokens")
        self.see("tokens-none")
        self.page.locator("#label").fill("laptop editor")
        self.page.locator("form[action='/tokens'] button").click()
        self.see("token-made")
        secret = self.page.locator(".secret")
        shown = secret.inner_text()
        self.expect(shown.startswith("bauta_ey"), "no token is shown")
        # One click takes all of it, and nothing else.
        secret.click()
        taken = self.page.evaluate("() => getSelection().toString()")
        self.expect(taken.strip() == shown, f"a click takes {len(taken)} letters of {len(shown)}")
        self.expect(self.asks(shown) == 200, "the token does not open the gateway")
        self.page.go_back()
        self.page.reload()
        self.expect(shown not in self.page.content(), "the token is shown twice")
        self.go("/tokens")
        self.see("tokens")
        self.page.get_by_role("button", name="Revoke laptop editor").click()
        self.see("token-revoked")
        self.expect("“laptop editor” for frontier is revoked" in self.page.content(), "what was revoked is not said")
        self.go("/tokens")
        left = self.page.get_by_role("button", name="Revoke laptop editor").count()
        self.expect(left == 0, "what she revoked is still in force")

    def device(self):
        asked = self.post("/oauth/device_authorization", {"scope": "frontier"})
        self.go("/device")
        self.see("device")
        with self.allowed(400, 404, 410, 422):
            self.page.locator("#code").fill("BBBB-BBBB")
            self.page.get_by_role("button", name="Continue").click()
            self.see("device-wrong")
        self.page.locator("#code").fill(asked["user_code"].lower())
        self.page.get_by_role("button", name="Continue").click()
        self.see("device-ask")
        again = self.page.locator("input[name='user_code']:not([type='hidden'])")
        with self.allowed(400):
            again.fill("BBBB-BBBB")
            self.page.get_by_role("button", name="Allow").click()
            self.see("device-ask-wrong")
            self.expect(self.text("h1") == "Did you start this?", "a wrong second entry leads away")
        again.fill(asked["user_code"])
        self.page.get_by_role("button", name="Allow").click()
        self.see("device-done")
        grant = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": asked["device_code"],
        }
        given = self.post("/oauth/token", grant)
        self.expect("access_token" in given, f"the device got {sorted(given)}")

    def in_person(self, first):
        """Bob has two officers vouch for him, each at a browser of their own."""
        with self.allowed(403):
            self.go("/officer")
            self.see("officer-refused")
        bob, carol, dave = (Visit(self.fresh, self.name, who) for who in ("Bob", "Carol", "Dave"))
        for person in (bob, carol, dave):
            person.enter()
        bob.go("/verify")
        bob.click("link", "Verify in person")
        bob.at("/verify/in-person")
        bob.see("in-person")
        bob.page.get_by_role("button", name="Show my code").click()
        bob.see("in-person-code")
        code = bob.page.locator("#meeting-code [aria-hidden]").inner_text()
        # What a screen reader says are the same letters, one by one.
        heard = bob.page.locator("#meeting-code .unseen").inner_text()
        bob.expect(heard.replace(" ", "").replace(",", "-") == code, f"{heard} is read for {code}")
        if first:
            # Where there is a vendor, officers verify themselves first.
            carol.see("overview-officer-before")
            with carol.allowed(403):
                carol.go("/officer")
                carol.see("officer-unverified")
                carol.expect(carol.text("h1") == "Verify yourself first", carol.text("h1"))
            for officer in (carol, dave):
                officer.proves()
        carol.go("/")
        carol.see("overview-officer")
        carol.click("link", "Vouch for a colleague")
        carol.see("officer")
        with carol.allowed(400):
            carol.types("BBBB-BBBB")
            carol.see("officer-wrong")
        carol.types(code.lower())
        carol.see("officer-ask")
        # Without the box the browser itself holds her word back.
        carol.press("Confirm")
        carol.expect(carol.page.locator("h1").inner_text() == "What your word says", "no box was needed")
        carol.page.get_by_role("checkbox").check()
        carol.press("Confirm")
        carol.see("officer-first")
        bob.go("/verify/in-person")
        bob.see("in-person-one")
        bob.expect("1 of 2" in bob.page.content(), "the first word is not shown")
        dave.go("/officer")
        dave.types(code)
        # All of it by keyboard.
        dave.page.get_by_role("checkbox").focus()
        dave.page.keyboard.press("Space")
        dave.page.keyboard.press("Tab")
        with dave.page.expect_navigation():
            dave.page.keyboard.press("Enter")
        dave.see("officer-second")
        dave.expect(dave.text("h1") == "They are verified", dave.text("h1"))
        bob.go("/verify/in-person")
        bob.see("in-person-two")
        bob.expect("2 of 2" in bob.page.content(), "the second word is not shown")
        bob.go("/")
        bob.expect(bob.text("h1").startswith("Verified until"), bob.text("h1"))
        for person in (bob, carol, dave):
            person.context.close()

    def types(self, code):
        self.page.locator("#code").fill(code)
        self.press("Continue")

    def press(self, name):
        self.page.get_by_role("button", name=name).click()
        self.page.wait_for_load_state()

    def privacy(self):
        self.click("link", "Privacy")
        self.page.locator("summary").click()
        self.see("privacy")
        self.expect("mbr_" in self.page.content(), "she is not shown her number")

    def lost(self):
        with self.allowed(400, 404):
            self.go("/no-such-page")
            self.see("not-found")
            self.go("/callback?code=x&state=y")
            self.see("sign-in-failed")

    def sign_out(self):
        self.go("/logout")
        self.see("sign-out")
        self.page.get_by_role("main").get_by_role("button", name="Sign out").click()
        self.page.wait_for_load_state()
        self.go("/")
        self.expect(self.page.get_by_role("button", name="Sign out").count() == 0, "she is still signed in")
        self.go("/tokens")
        self.expect("/tokens" not in self.page.url or "bauta_" not in self.page.content(), "tokens are open")

    def go(self, path):
        self.step = path
        self.page.goto(base + path)

    def at(self, path):
        self.expect(self.page.url == base + path, f"the browser is at {self.page.url}")

    def click(self, role, name):
        self.page.get_by_role(role, name=name).first.click()

    def text(self, selector):
        return self.page.locator(selector).first.inner_text()

    def see(self, name):
        """Looks at the page that is open: a picture, and everything that can be measured."""
        global pages
        pages += 1
        self.step = name
        self.page.screenshot(path=os.path.join(folder, f"{name}-{self.name}.png"), full_page=True)
        for what in self.page.evaluate(LOOK):
            self.say(what)
        if AXE:
            self.page.evaluate(AXE)
            for what in self.page.evaluate(FOUND):
                self.say(f"axe: {what}")
        if kept.get(name) == self.name.split("-scripts")[0] and os.environ.get("BAUTA_TEST_SCREENS"):
            place = os.path.join(os.environ["BAUTA_TEST_SCREENS"], f"{name}.jpg")
            self.page.screenshot(path=place, type="jpeg", quality=72, full_page=False)

    def expect(self, holds, otherwise):
        if not holds:
            self.say(otherwise)

    def allowed(self, *statuses):
        return Allowed(statuses)

    def heard(self, message):
        # A page that may answer 404 says so on its console.
        refused = message.text.startswith("Failed to load resource") and expected
        if message.type in ("error", "warning") and not refused:
            self.say(f"console: {message.text}")

    def answered(self, response):
        if response.status >= 400 and response.status not in expected:
            self.say(f"{response.status} from {response.url}")

    def failed(self, request):
        # What was still under way when she went on.
        if request.failure != "net::ERR_ABORTED":
            self.say(f"failed: {request.url} {request.failure}")

    def say(self, what):
        wrong.append(f"{self.step} ({self.name}): {what}")

    def asks(self, token):
        request = urllib.request.Request(base + "/v1/models", headers={"authorization": f"Bearer {token}"})
        try:
            return urllib.request.urlopen(request, timeout=10).status
        except urllib.error.HTTPError as error:
            return error.code

    def post(self, path, form):
        data = urllib.parse.urlencode(form).encode()
        try:
            return json.load(urllib.request.urlopen(base + path, data, timeout=10))
        except urllib.error.HTTPError as error:
            return json.load(error)


class Allowed:
    """While it lasts, these statuses are what is asked for."""

    def __init__(self, statuses):
        self.statuses = statuses

    def __enter__(self):
        expected.update(self.statuses)

    def __exit__(self, *_):
        expected.clear()


# What can be measured of a page. Contrast by WCAG 2.2, 1.4.3: 4.5, and 3 for large letters.
LOOK = r"""
() => {
  const wrong = [];
  const say = text => wrong.push(text);
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) say(`${wide} px wider than the screen`);
  const heads = [...document.querySelectorAll('h1')];
  if (heads.length !== 1) say(`${heads.length} first headings`);
  if (!document.documentElement.lang) say('no language');
  if (!document.title) say('no title');
  if (!document.querySelector('link[rel=stylesheet]')) say('no style');
  let level = 0;
  for (const head of document.querySelectorAll('h1, h2, h3, h4')) {
    const now = +head.tagName[1];
    if (now > level + 1) say(`a heading leaps to ${head.tagName}: ${head.innerText}`);
    level = now;
  }
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
    if (!field.labels?.length && !field.ariaLabel) say(`a field without a name: ${field.name}`);
  }
  for (const image of document.images) {
    if (!image.hasAttribute('alt')) say(`an image without alt: ${image.src}`);
    if (!image.naturalWidth) say(`an image that is not there: ${image.src}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  for (const id of new Set(ids.filter((id, n) => ids.indexOf(id) !== n))) say(`two of id ${id}`);
  const seen = e => e.checkVisibility({ visibilityProperty: true }) && e.getBoundingClientRect().right > 0;
  for (const e of document.querySelectorAll('a, button, input:not([type=hidden]), select, summary')) {
    const box = e.getBoundingClientRect();
    // WCAG 2.2, 2.5.8; a link within a sentence is excepted.
    const inline = getComputedStyle(e).display === 'inline' && e.parentElement.innerText !== e.innerText;
    if (seen(e) && !inline && (box.height < 24 || box.width < 24)) {
      say(`hard to hit, ${Math.round(box.width)} x ${Math.round(box.height)}: ${e.innerText || e.name}`);
    }
  }
  const parse = color => {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return { r, g, b, a };
  };
  const over = (top, under) => {
    const mix = key => top[key] * top.a + under[key] * (1 - top.a);
    return { r: mix('r'), g: mix('g'), b: mix('b'), a: 1 };
  };
  const behind = e => {
    const layers = [];
    for (; e; e = e.parentElement) {
      layers.push(parse(getComputedStyle(e).backgroundColor));
      if (layers.at(-1).a === 1) break;
    }
    const dark = matchMedia('(prefers-color-scheme: dark)').matches;
    const canvas = dark ? { r: 18, g: 18, b: 18, a: 1 } : { r: 255, g: 255, b: 255, a: 1 };
    return layers.reduceRight((under, top) => over(top, under), canvas);
  };
  const light = ({ r, g, b }) => {
    const [x, y, z] = [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const told = new Set();
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement, words = texts.currentNode.data.trim();
    if (!words || !seen(e)) continue;
    const style = getComputedStyle(e), back = behind(e);
    const [one, two] = [light(over(parse(style.color), back)), light(back)].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    const size = parseFloat(style.fontSize);
    const enough = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700) ? 3 : 4.5;
    const key = `${style.color} ${back.r}`;
    if (ratio < enough && !told.has(key)) {
      told.add(key);
      say(`contrast ${ratio.toFixed(2)} of ${enough}: ${words.slice(0, 40)}`);
    }
    if (size < 12) say(`letters of ${size} px: ${words.slice(0, 40)}`);
  }
  for (const field of document.querySelectorAll('input[placeholder]')) {
    const style = getComputedStyle(field, '::placeholder'), back = behind(field);
    const [one, two] = [light(over(parse(style.color), back)), light(back)].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < 4.5) say(`contrast ${ratio.toFixed(2)} of 4.5: the example in ${field.name}`);
  }
  return wrong;
}
"""

# What axe-core finds wrong, rule by rule, with where it is.
FOUND = r"""
async () => {
  const found = await axe.run(document, { resultTypes: ['violations'] });
  return found.violations.map(it => `${it.id}: ${it.help}: ${it.nodes.map(node => node.target.join(' ')).slice(0, 4).join(', ')}`);
}
"""

if __name__ == "__main__":
    main()
